lambda { |stdout,stderr,status|
  output = stdout + stderr
  return :green if /[[:digit:]]+ (tests?|runs|passed)[[:space:],]/.match(output)
  return :red if /[^\w\s]{3,}[[:upper:]]+/.match(output)
  return :amber
}
