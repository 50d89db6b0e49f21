lambda { |stdout,stderr,status|
  output = stdout + stderr
  return :red if /fail(ed|ure)s?.*\d/i.match(output)
  return :amber if /error.*line/mi.match(output)
  return :green
}
