package a

package object b { def deep = "deep " }
package b { object Part { val name: String = getClass.getName } }
