lambda { |stdout,stderr,status|
  output = stdout + stderr
  broken = Regexp.union('SyntaxError', 'syntax error', /cannot find symbol/)
  return :amber if broken.match(output)
  return :red if Regexp.new("fail|assert", Regexp::IGNORECASE).match(output)
  return :green
}
