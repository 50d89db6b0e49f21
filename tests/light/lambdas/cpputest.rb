lambda { |stdout,stderr,status|
  output = stdout + stderr
  return :red if /^Errors \(/.match(output)
  return :green if /^OK \(\d+ tests/.match(output)
  return :amber
}
