lambda { |stdout,stderr,status|
  output = stdout + stderr
  if /(?<failed>\d+) fail/ =~ output
    failed == '0' ? :green : :red
  else
    status == 0 ? :green : :amber
  end
}
