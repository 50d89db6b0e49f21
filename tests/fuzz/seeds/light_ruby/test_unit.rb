lambda { |stdout,stderr,status|
  output = stdout + stderr
  if match = /^(\d+) tests, (\d+) assertions, (\d+) failures, (\d+) errors/.match(output)
    match[3].to_i + match[4].to_i > 0 ? :red : :green
  else
    :amber
  end
}
