lambda { |stdout,stderr,status|
  output = stdout + stderr
  return :green if /^OK \(/.match(output)
  return :red if /^FAILURES!/.match(output)
  return :amber
}
