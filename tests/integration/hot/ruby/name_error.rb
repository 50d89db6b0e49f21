class Basket
  def apples = 3
end
begin
  Basket.new.aples
rescue NoMethodError => error
  puts error.message, error.respond_to?(:corrections) && error.corrections.inspect, error.detailed_message(highlight: false)
end
prnit "x"
