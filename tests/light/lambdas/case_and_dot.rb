lambda { |stdout,stderr,status|
  output = stdout + stderr
  return :red if /(failed|failure)s?.*\d/i.match(output)
  return :amber if /error.*line/mi.match(output)
  return :green
}
