lambda { |stdout,stderr,status|
  output = stdout + stderr
  last = output.rindex("\r")
  output = output[(last + 1)..-1] if last
  return :green if /OK|passed/.match(output)
  return :red if /fail/i.match(output)
  return :amber
}
