lambda { |stdout,stderr,status|
  output = stdout + stderr
  match = /(\d+) examples?, (\d+) failures?/.match(output)
  return :amber if match.nil?
  total, failed = match.captures
  return :red if failed.to_i > 0
  return total == '0' ? :amber : :green
}
