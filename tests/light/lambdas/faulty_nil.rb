lambda { |stdout, stderr, status|
  m = /(\d+) tests/.match(stdout)
  m[1] == '0' ? :red : :green
}
