#include "run/source_class.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void assert_found(const char *source, const char *package, const char *public_type,
			 const char *main_type)
{
	struct source_class found;

	source_class_find((const uint8_t *)source, strlen(source), &found);
	assert_string_equal(found.package, package);
	assert_string_equal(found.public_type, public_type);
	assert_string_equal(found.main_type, main_type);
}

static void the_public_class_and_the_one_with_main_are_found(void **state)
{
	assert_found("public class Foo { public static void main(String[] args) {} }", "", "Foo", "Foo");
	assert_found("package a.b.c;\nimport java.util.*;\nclass A {}\npublic final class B {}\n"
		     "class C { static public void main(final String... a) { } }",
		     "a.b.c", "B", "C");
	assert_found("public interface I {}", "", "I", "");
	assert_found("public record Point(int x, int y) { }", "", "Point", "");
	assert_found("public enum E { A; public static void main(String[] a) {} }", "", "E", "E");
	assert_found("public @interface Note {}", "", "Note", "");
}

static void what_stands_in_comments_and_texts_does_not_count(void **state)
{
	assert_found(
		"// public class A {}\n/* public class B { */ class C { String s = \"public class D {\"; }",
		"", "", "");
	assert_found("class T { String s = \"\"\"\n public class X {{{ \\\"\"\" \n\"\"\"; char c = '{'; char "
		     "d = '\\''; }\n"
		     "public class Y {}",
		     "", "Y", "");
}

static void classes_in_classes_and_in_annotations_are_passed_over(void **state)
{
	assert_found("@Run(Some.class) public class A { public static class B { public static void "
		     "main(String[] x) {} } }",
		     "", "A", "");
	assert_found("class A { void maintain() {} void main2() {} int main; }", "", "", "");
}

static void what_is_no_java_is_looked_through_to_its_end(void **state)
{
	char long_name[600] = "public class ";

	assert_found("", "", "", "");
	assert_found("}}}}((((\"unclosed\n'x\n/* never closed", "", "", "");
	assert_found("public class", "", "", "");
	assert_found("package", "", "", "");
	memset(long_name + 13, 'x', 500);
	assert_found(long_name, "", "", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_public_class_and_the_one_with_main_are_found),
		cmocka_unit_test(what_stands_in_comments_and_texts_does_not_count),
		cmocka_unit_test(classes_in_classes_and_in_annotations_are_passed_over),
		cmocka_unit_test(what_is_no_java_is_looked_through_to_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
