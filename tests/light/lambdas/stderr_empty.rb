lambda { |stdout,stderr,status|
  output = stdout + stderr
  return :green if stdout =~ /ok|OK|passed/ && stderr == ''
  return :red if stderr.empty?
  return :amber
}
