package orders

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Words are what somebody has typed to look for, word by word; none, if there is nothing to be seen in it.
func Words(typed string) []string {
	return strings.FieldsFunc(strings.ToValidUTF8(typed, " "), func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
}

// word is a run of letters and digits in a text.
type word struct {
	from, to int
	folded   string // as it is looked for: in small letters, and those of the Latin alphabet without accents
}

// maxWord is how many bytes of a word are looked at; a database takes no longer ones.
const maxWord = 500

// wordsOf are the words of a text, as the tokenizer unicode61 of SQLite finds them.
func wordsOf(text string) []word {
	var all []word
	var one strings.Builder
	from := -1
	end := func(to int) {
		if from >= 0 {
			all = append(all, word{from, to, one.String()})
		}
		from = -1
		one.Reset()
	}
	for i, r := range text {
		switch accent := r >= 0x300 && r <= 0x331; {
		case accent && from >= 0:
		case unicode.In(r, unicode.L, unicode.N, unicode.Co):
			if from < 0 {
				from = i
			}
			if r = fold(r); one.Len()+utf8.RuneLen(r) <= maxWord {
				one.WriteRune(r)
			}
		default:
			end(i)
		}
	}
	end(len(text))
	return all
}

func folded(text string) []string {
	words := wordsOf(text)
	all := make([]string, len(words))
	for i := range words {
		all[i] = words[i].folded
	}
	return all
}

func fold(r rune) rune {
	if r < utf8.RuneSelf {
		return unicode.ToLower(r)
	}
	r = unicode.ToLower(unicode.ToUpper(r)) // also ς to σ
	if plain, ok := withoutAccent[r]; ok {
		return plain
	}
	return r
}

// withoutAccent are the letters with accents, with those that they are looked for as.
var withoutAccent = func() map[rune]rune {
	all := map[rune]rune{}
	for _, letters := range []string{
		"aàáâãäåāăąǎǟǡǻȁȃȧḁạảấầẩẫậắằẳẵặ", "bḃḅḇ", "cçćĉċčḉ", "dďḋḍḏḑḓ", "eèéêëēĕėęěȅȇȩḕḗḙḛḝẹẻẽếềểễệ", "fḟ", "gĝğġģǧǵḡ", "hĥȟḣḥḧḩḫẖ", "iìíîïĩīĭįǐȉȋḭḯỉị",
		"jĵǰ", "kķǩḱḳḵ", "lĺļľḷḹḻḽ", "mḿṁṃ", "nñńņňǹṅṇṉṋ", "oòóôõöōŏőơǒǫǭȍȏȫȭȯȱṍṏṑṓọỏốồổỗộớờởỡợ", "pṕṗ", "rŕŗřȑȓṙṛṝṟ", "sśŝşšșṡṣṥṧṩ", "tţťțṫṭṯṱẗ",
		"uùúûüũūŭůűųưǔǖǘǚǜȕȗṳṵṷṹṻụủứừửữự", "vṽṿ", "wŵẁẃẅẇẉẘ", "xẋẍ", "yýÿŷȳẏẙỳỵỷỹ", "zźżžẑẓẕ",
	} {
		for _, r := range letters[1:] {
			all[r] = rune(letters[0])
		}
	}
	return all
}()
