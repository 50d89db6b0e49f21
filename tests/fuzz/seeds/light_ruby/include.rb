lambda { |stdout,stderr,status|
  output = stdout + stderr
  return :red if output.include?('FAILED')
  return :green if output.include?("OK")
  return :amber
}
