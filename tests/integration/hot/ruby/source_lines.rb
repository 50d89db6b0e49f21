puts SCRIPT_LINES__.inspect rescue puts $!.message
p eval("__FILE__"), eval("__LINE__"), method(:puts).source_location, proc {}.source_location, __LINE__
p defined?(RubyVM::YJIT), RubyVM::InstructionSequence.compile_option, GC.stress, GC.count.class
