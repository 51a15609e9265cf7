//! `$(( … ))`: 64-bit integers that wrap, as in bash.

use brush_parser::ast::{
    ArithmeticExpr, ArithmeticTarget, BinaryOperator, UnaryAssignmentOperator, UnaryOperator,
};

use super::{Flow, Shell};

const REFERENCE_LIMIT: u32 = 16;

impl Shell {
    /// Evaluates an expression whose expansions were done.
    pub(super) async fn arithmetic(&mut self, text: &str) -> Result<i64, Flow> {
        match self.calculate(text, 0) {
            Ok(value) => Ok(value),
            Err(error) => self.abort(&format!("{text}: {error}")).await,
        }
    }

    fn calculate(&mut self, text: &str, depth: u32) -> Result<i64, String> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(0);
        }
        if let Ok(value) = text.parse() {
            return Ok(value);
        }
        if depth > REFERENCE_LIMIT || text.matches('(').count() > 60 {
            return Err("expression recursion level exceeded".to_owned());
        }
        let expr = brush_parser::arithmetic::parse(text)
            .map_err(|_| format!("syntax error in expression (error token is \"{text}\")"))?;
        self.value(&expr, depth)
    }

    fn reference(&mut self, target: &ArithmeticTarget, depth: u32) -> Result<i64, String> {
        let text = match target {
            ArithmeticTarget::Variable(name) => self.get(name).unwrap_or_default(),
            ArithmeticTarget::ArrayElement(name, index) => {
                let index = self.value(index, depth)?;
                self.element(name, index).unwrap_or_default()
            }
        };
        self.calculate(&text, depth + 1)
    }

    fn assign_number(&mut self, target: &ArithmeticTarget, value: i64) -> Result<i64, String> {
        match target {
            ArithmeticTarget::Variable(name) => self.set(name, value.to_string()),
            ArithmeticTarget::ArrayElement(name, index) => {
                let index = self.value(index, 0)?;
                self.set_element(name, index, value.to_string());
            }
        }
        Ok(value)
    }

    fn value(&mut self, expr: &ArithmeticExpr, depth: u32) -> Result<i64, String> {
        Ok(match expr {
            ArithmeticExpr::Literal(value) => *value,
            ArithmeticExpr::Reference(target) => self.reference(target, depth)?,
            ArithmeticExpr::UnaryOp(op, operand) => {
                let value = self.value(operand, depth)?;
                match op {
                    UnaryOperator::UnaryPlus => value,
                    UnaryOperator::UnaryMinus => value.wrapping_neg(),
                    UnaryOperator::BitwiseNot => !value,
                    UnaryOperator::LogicalNot => i64::from(value == 0),
                }
            }
            ArithmeticExpr::BinaryOp(BinaryOperator::LogicalAnd, left, right) => {
                i64::from(self.value(left, depth)? != 0 && self.value(right, depth)? != 0)
            }
            ArithmeticExpr::BinaryOp(BinaryOperator::LogicalOr, left, right) => {
                i64::from(self.value(left, depth)? != 0 || self.value(right, depth)? != 0)
            }
            ArithmeticExpr::BinaryOp(op, left, right) => {
                let (left, right) = (self.value(left, depth)?, self.value(right, depth)?);
                binary(op, left, right)?
            }
            ArithmeticExpr::Conditional(condition, yes, no) => {
                let chosen = if self.value(condition, depth)? != 0 { yes } else { no };
                self.value(chosen, depth)?
            }
            ArithmeticExpr::Assignment(target, value) => {
                let value = self.value(value, depth)?;
                self.assign_number(target, value)?
            }
            ArithmeticExpr::BinaryAssignment(op, target, value) => {
                let left = self.reference(target, depth)?;
                let value = binary(op, left, self.value(value, depth)?)?;
                self.assign_number(target, value)?
            }
            ArithmeticExpr::UnaryAssignment(op, target) => {
                let old = self.reference(target, depth)?;
                let (new, result_is_old) = match op {
                    UnaryAssignmentOperator::PrefixIncrement => (old.wrapping_add(1), false),
                    UnaryAssignmentOperator::PrefixDecrement => (old.wrapping_sub(1), false),
                    UnaryAssignmentOperator::PostfixIncrement => (old.wrapping_add(1), true),
                    UnaryAssignmentOperator::PostfixDecrement => (old.wrapping_sub(1), true),
                };
                self.assign_number(target, new)?;
                if result_is_old { old } else { new }
            }
        })
    }
}

fn binary(op: &BinaryOperator, left: i64, right: i64) -> Result<i64, String> {
    let bits = u32::try_from(right & 63).unwrap_or(0);
    Ok(match op {
        BinaryOperator::Power => {
            let exponent = u32::try_from(right).map_err(|_| "exponent less than 0".to_owned())?;
            left.wrapping_pow(exponent)
        }
        BinaryOperator::Multiply => left.wrapping_mul(right),
        BinaryOperator::Divide | BinaryOperator::Modulo if right == 0 => {
            return Err("division by 0 (error token is \"0\")".to_owned());
        }
        BinaryOperator::Divide => left.wrapping_div(right),
        BinaryOperator::Modulo => left.wrapping_rem(right),
        BinaryOperator::Comma => right,
        BinaryOperator::Add => left.wrapping_add(right),
        BinaryOperator::Subtract => left.wrapping_sub(right),
        BinaryOperator::ShiftLeft => left.wrapping_shl(bits),
        BinaryOperator::ShiftRight => left.wrapping_shr(bits),
        BinaryOperator::LessThan => i64::from(left < right),
        BinaryOperator::LessThanOrEqualTo => i64::from(left <= right),
        BinaryOperator::GreaterThan => i64::from(left > right),
        BinaryOperator::GreaterThanOrEqualTo => i64::from(left >= right),
        BinaryOperator::Equals => i64::from(left == right),
        BinaryOperator::NotEquals => i64::from(left != right),
        BinaryOperator::BitwiseAnd => left & right,
        BinaryOperator::BitwiseXor => left ^ right,
        BinaryOperator::BitwiseOr => left | right,
        BinaryOperator::LogicalAnd => i64::from(left != 0 && right != 0),
        BinaryOperator::LogicalOr => i64::from(left != 0 || right != 0),
    })
}
