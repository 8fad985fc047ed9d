package budget

import "bytes"

// stringEnd is where the string that begins at a place ends, after its last quote.
func stringEnd(body []byte, begin int) int {
	for i := begin + 1; ; {
		quote := bytes.IndexByte(body[i:], '"')
		if quote < 0 {
			return len(body)
		}
		i += quote + 1
		escapes := 0
		for at := i - 2; at > begin && body[at] == '\\'; at-- {
			escapes++
		}
		if escapes%2 == 0 {
			return i
		}
	}
}

// valueEnd is where the object or the list that begins at a place ends.
func valueEnd(body []byte, begin int) int {
	depth := 0
	for i := begin; i < len(body); i++ {
		switch body[i] {
		case '"':
			i = stringEnd(body, i) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(body)
}
