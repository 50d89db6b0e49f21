lambda { |stdout,stderr,status|
  output = stdout + stderr
  return :amber if /line \d+:/.match(output) && status === 1
  return :green if status.zero?
  return :red
}
