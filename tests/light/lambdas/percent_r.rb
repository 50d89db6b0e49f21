lambda { |stdout,stderr,status|
  output = stdout + stderr
  return :red if %r{^[-=]+ (\d+) failed}.match(output)
  return :green if %r!^=+ (\d+) passed!.match(output)
  return :amber
}
