lambda { |stdout,stderr,status|
  output = stdout + stderr
  return :amber unless /^\d+%: Checks:/.match(output)
  return :green if /^100%: Checks:/.match(output)
  return :red
}
