lambda { |stdout,stderr,status|
  output = stdout + stderr
  return :amber unless /Assertion|passed/.match(output)
  return :green unless /Assertion/.match(output)
  return :red
}
