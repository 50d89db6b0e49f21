lambda { |stdout,stderr,status|
  output = stdout + stderr
  last = output.lines.last.to_s.strip
  return :green if last.start_with?("OK", "All tests")
  return :red if last.start_with?("FAIL")
  return :amber
}
