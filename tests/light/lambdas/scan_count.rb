lambda { |stdout,stderr,status|
  output = stdout + stderr
  oks = output.scan(/^ok/).size
  bad = output.scan(/^not ok/).size
  ran = oks + bad > 0
  return :green if ran && bad == 0 && status == 0
  return :red if ran && bad > 0
  return :amber
}
