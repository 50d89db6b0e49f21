lambda { |stdout,stderr,status|
  output = stdout + stderr
  case status
  when 0 then :green
  when 1..9 then :red
  else :amber
  end
}
