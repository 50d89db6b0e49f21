lambda { |stdout,stderr,status|
  output = stdout + stderr
  amber_patterns = [
    'command not found',
    'SyntaxError',
    'error: expected'
  ]
  return :amber if amber_patterns.any? { |pattern| Regexp.new(pattern).match(output) }
  return :green if status == 0
  return :red
}
