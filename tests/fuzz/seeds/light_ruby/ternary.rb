lambda { |stdout,stderr,status|
  output = stdout + stderr
  /(\d+) (failed|failures?)/ =~ output ? ($1 == "0" ? :green : :red) : :amber
}
