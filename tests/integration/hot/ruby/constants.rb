p RUBY_VERSION, RUBY_PATCHLEVEL, RUBY_PLATFORM, RUBY_DESCRIPTION, RUBY_ENGINE, RUBY_COPYRIGHT
p Object.constants.sort, global_variables.sort, $;, $,, $/, $\, $., $_, $~, $!, $@, $*, $-w, $-v, $VERBOSE, $DEBUG, $-a, $-l, $-p, $-i, $FILENAME
p RbConfig.ruby, RbConfig::CONFIG.values_at("bindir", "ruby_version", "configure_args").inspect.size
