lambda { |stdout,stderr,status|
  output = stdout + stderr
  return :amber if /SyntaxError|ReferenceError/.match(output)
  return :red if /^# fail [1-9]/.match(output)
  return :green if /^# fail 0$/.match(output)
  return :amber
}
