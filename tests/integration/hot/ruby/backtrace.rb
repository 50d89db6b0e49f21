def inner = caller_locations(0).map { |at| [at.path, at.absolute_path, at.lineno, at.label, at.base_label] }
p inner, caller, binding.source_location, RubyVM::InstructionSequence.of(method(:inner)).path
p TOPLEVEL_BINDING.receiver.inspect, self.to_s, Module.nesting, binding.local_variables
