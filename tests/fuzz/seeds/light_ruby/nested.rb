lambda { |stdout,stderr,status|
  output = stdout + stderr
  if status == 0
    return :green unless output.empty?
    return :amber
  else
    if output.match?(/assert/i)
      return :red
    end
  end
  :amber
}
