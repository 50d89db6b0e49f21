lambda { |stdout, stderr, status|
  return :green if status == 0
  return :red if sdf.match(stdout)
  :amber
}
