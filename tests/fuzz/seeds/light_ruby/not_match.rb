lambda { |stdout,stderr,status|
  output = stdout + stderr
  return :amber if output !~ /test|example|assert/i
  return :green if not output =~ /fail|not ok/i
  return :red
}
