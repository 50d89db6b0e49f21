lambda { |stdout,stderr,status|
  output = stdout + stderr
  return :amber if /syntax error|Compilation failed/.match(output)
  return :red if /^not ok (\d+)/.match(output)
  return :green if /^ok (\d+)/.match(output)
  return :amber
}
