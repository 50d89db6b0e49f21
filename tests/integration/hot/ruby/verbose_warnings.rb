def twice; 1; end
def twice; 2; end
unused = 1
if unused = 2 then puts "assigned" end
warn "a warning", category: :deprecated
$stderr.puts Warning[:deprecated], Warning[:experimental]
case { a: 1 }
in { a: }
  p a
end
