lambda { |stdout,stderr,status|
  output = stdout + stderr
  return :amber unless output =~ /(\d+)[^\d\n]+(\d+)/
  return :green if $2.to_i.zero? || $~[1] == $2
  return :red
}
