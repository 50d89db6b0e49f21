lambda { |stdout,stderr,status|
  output = stdout + stderr
  return :red if /^!!!FAILURES!!!/.match(output)
  return :green if /^OK \(\d+/.match(output)
  return :amber
}
