lambda { |stdout,stderr,status|
  output = stdout + stderr
  return :red if /test cases?: \d+ \| \d+ failed|assertions: \d+ \| \d+ failed/.match(output)
  return :green if /^All tests passed/.match(output)
  return :amber
}
