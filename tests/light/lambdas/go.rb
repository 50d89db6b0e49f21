lambda { |stdout,stderr,status|
  output = stdout + stderr
  return :amber if /\[build failed\]|\[setup failed\]/.match(output)
  return :red if /^--- FAIL: /.match(output)
  return :green if /^PASS$/.match(output)
  return :amber
}
