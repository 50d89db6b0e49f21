FAILED = /FAILED|Assertion/
GREEN = %w[OK passed ok].freeze
lambda { |o, e, _|
  return :red if FAILED.match(o + e)
  return :green if GREEN.any? { |word| (o + e).include?(word) }
  :amber
}
