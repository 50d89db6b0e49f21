# Ruby looks for this name in the working directory while it boots.
p File.exist?("enumerator.so"), File.exist?("thread.rb"), $LOADED_FEATURES.first(6), require("enumerator"), require("thread"), require("fiber")
p (require "./thread"), $LOADED_FEATURES.last
