lambda { |stdout,stderr,status|
  output = stdout + stderr
  exceptions = output.scan(/^(\w*Error)\b/).flatten
  return :green if status == 0
  return :amber if exceptions.any? { |name| name != 'AssertionError' }
  return :red
}
