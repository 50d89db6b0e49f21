lambda { |stdout,stderr,status|
  output = stdout + stderr
  return :red if /^not ok \d+ - [^\n]*answer is/.match(output)
  return :green if /^ok \d+/.match(output)
  return :amber
}
