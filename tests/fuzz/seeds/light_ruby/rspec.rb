lambda { |stdout,stderr,status|
  output = stdout + stderr
  return :amber if /error(s?) occurred outside of examples/.match(output)
  return :green if /^(\d+) example(s?), 0 failures$/.match(output)
  return :red if /^(\d+) example(s?), (\d+) failure(s?)/.match(output)
  return :amber
}
