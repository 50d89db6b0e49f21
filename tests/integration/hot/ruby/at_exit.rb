at_exit { puts "first registered"; exit 6 }
at_exit { puts "last registered #{$!.inspect}"; raise "in a handler" }
END { puts "END" }
BEGIN { puts "BEGIN" }
ObjectSpace.define_finalizer(Object.new, proc { puts "finalized" })
exit 3
