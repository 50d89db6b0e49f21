lambda { |stdout,stderr,status|
  output = stdout + stderr
  return :amber if output.include? "SyntaxError"
  return :red if %w[FAILED Failed failed].any? { |word| output.include?(word) }
  return :green
}
