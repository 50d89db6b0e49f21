lambda { |stdout,stderr,status|
  output = stdout + stderr
  return :red if output.lines.grep(/^(not ok|FAIL)/).any?
  return :green if output.lines.grep(/^(ok|OK|PASS)/).any?
  return :amber
}
