lambda { |stdout,stderr,status|
  output = stdout + stderr
  return :green if /^All tests successful\.$/.match(output)
  return :amber if /No subtests run|syntax error/.match(output)
  return :red if /^Result: FAIL/.match(output)
  return :amber
}
