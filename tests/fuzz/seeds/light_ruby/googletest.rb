lambda { |stdout,stderr,status|
  output = stdout + stderr
  return :red if /^\[  FAILED  \]/.match(output)
  return :green if /^\[  PASSED  \] \d+ test/.match(output)
  return :amber
}
