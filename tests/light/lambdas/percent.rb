lambda { |stdout,stderr,status|
  output = stdout + stderr
  if m = output.match(/^(\d+)%: Checks: (\d+), Failures: (\d+)/)
    m[1] == '100' ? :green : :red
  else
    :amber
  end
}
