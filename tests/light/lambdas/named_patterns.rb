lambda { |stdout,stderr,status|
  output = stdout + stderr
  red_pattern = /Assert|FAIL/
  green_pattern = /\bOK\b|passed/
  return :red if red_pattern.match(output)
  return :green if green_pattern.match(output)
  return :amber
}
