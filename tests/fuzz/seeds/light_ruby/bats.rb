lambda { |stdout,stderr,status|
  output = stdout + stderr
  return :amber if /syntax error/.match(output)
  return :red if /^not ok|✗/.match(output)
  return :green if /✓|^ok/.match(output)
  return :amber
}
