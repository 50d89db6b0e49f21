lambda { |stdout,stderr,status|
  output = stdout + stderr
  pattern = /(\d+) (tests?|runs|passed|examples?)/
  return :red if output.scan(/(\d+) fail\w*/).any? { |res| res[0] != '0' }
  return :green if output.scan(pattern).any? { |count, _| count.to_i > 0 }
  return :amber
}
