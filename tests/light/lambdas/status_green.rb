lambda { |stdout,stderr,status|
  output = stdout + stderr
  return :green if status == 0
  return :red if /Assertion|FAILED|not ok/.match(output)
  return :amber
}
