lambda { |stdout,stderr,status|
  output = stdout + stderr
  output =~ /rror/ and return :amber
  status == 0 or return :red
  :green
}
